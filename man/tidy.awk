# scdoc's output as mandoc -Tlint wants it: no paragraph is begun by a heading's side, or at the end of an indented part.
$0 == ".P" { owed = 1; next }
$0 == ".RE" { print; next }
/^\.(SH|SS|TH) / { owed = 0; print; fresh = 1; next }
owed && !fresh { print ".P" }
{ owed = fresh = 0; print }
