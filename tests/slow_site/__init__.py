"""The site with one page more, whose query takes some seconds: for what one person's slow query does to others."""
