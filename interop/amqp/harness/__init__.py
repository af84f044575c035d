"""What all suites share: the broker under test, downloads, expectations, reports. Standard library only."""
