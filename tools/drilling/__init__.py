# The drill: attacks on a running relay with healthy calls beside them (see tools/drill).
