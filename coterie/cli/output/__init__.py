"""Output: prints what a command has found, as a table for people or as one JSON envelope for programs.

`command_output.py`: `CommandOutput` prints the result of a command in the format of `-o`, and its errors
`command_parser.py`: `CommandParser` adds `-o` to commands, and reports wrong usage as JSON where that is asked for
`flag_advice.py`: words the advice in an error's text in flags of the command line
`json_envelope.py`: makes the JSON envelope, the same for every command
`list_option.py`: `ListOption` prints names and exits (`--list`), `NameOption` takes one of several
`watch_output.py`: prints a table again and again, on a terminal or under the time
"""
