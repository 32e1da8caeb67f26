"""The command `incumbent`. Nothing of the SDK imports it; it wants the extra `incumbent[cli]`."""
