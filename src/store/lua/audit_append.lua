-- Records an act that has no script of its own. ARGV: the sealed event. Returns its seq.
return audit_append(audit_unseal(ARGV[1]))
