"""Commands about the view of a cluster whose nodes come and go.

`view_reports.py`: `ClusterView`, asks the nodes what they know of the view, and picks the report that counts
`view_rows.py`: `ViewRow`, one member of the view with what the nodes think of it; tables and troubles
`member_seats.py`: says in which groups a member votes, and which voters of the group that holds the view are not up
`leave_command.py`: `coterie leave` and `coterie down`, have a member decided out of the view
`services_command.py`: `coterie services`, shows which actors provide which services
"""
