"""The gates: each operation's value and local gradient, by family. Argument checks are in functional."""
