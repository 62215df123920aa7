-- An alert that is sent when it is posted. KEYS, ARGV and what is returned: see lib_publish.lua.
return publish_alert(KEYS, ARGV)
