"""Stand-ins for the official provider plugins, one module or package each, on one shared base."""
