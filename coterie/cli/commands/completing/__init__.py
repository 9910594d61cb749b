"""Completing: prints the scripts with which a shell completes the words of `coterie`.

`completion_command.py`: `coterie completion` prints the script of a shell
`completion_scripts.py`: writes the scripts for bash, zsh and fish from the words of the commands
`completion_words.py`: reads from the parsers which words each command takes
"""
