//! Keys: secrets, PEM files, JWKS files; one key, one algorithm.
