//! Configuration: layers, validation, the older key=value format.
