"""Turn-taking and everything below it: devices, averages, checkpoints. It knows no family."""
