"""An in-memory twin of every port, for fast tests and rehearsals."""
