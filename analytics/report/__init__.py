"""The comprehensive report of one person's chronic diseases: what is known, what it means, what is missing.

`facts` is what the tables know, `build` makes the report of it, `chart` its pictures, ``../printed/report.html`` is the
page.
All pure: the same facts give the same bytes. Every figure names the events that it rests on; a gap is printed as a gap.
"""
