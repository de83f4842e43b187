"""Where static files come from: hashed names, so that a browser may keep them for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):
    """Rewrites `import … from "./x.js"` too; else modules would import each other's unhashed, uncached names."""

    support_js_module_import_aggregation = True
