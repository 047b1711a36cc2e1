"""Our worlds behind the interfaces of other libraries. Light: the submodules do the importing."""
