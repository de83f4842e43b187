"""What people may type, and what is said when it does not fit: a module for each subject."""
