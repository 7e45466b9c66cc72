"""A conversational agent: its model and its CRM are simulated, its metrics, logs, traces and database are real."""
