"""Built-in datasets, loaders and reporters: plugins like any."""
