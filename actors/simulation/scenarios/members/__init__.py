"""Scenarios of members that change while a simulated group serves, and while it has faults.

`member_operator.py`: `MemberOperator` draws changes of the members, and has them made as operators do
"""
