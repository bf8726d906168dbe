"""Methods that train, as objectives of the engine."""
