-- Records an act that has no script of its own. ARGV: the event. Returns its seq.
return audit_append(ARGV[1])
