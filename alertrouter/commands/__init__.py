"""The commands of the terminal, a file for each thing they are about; `alertrouter.cli` puts them together."""
