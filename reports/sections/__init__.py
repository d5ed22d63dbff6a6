"""The sections of the report that span many problems or come from other tools."""
