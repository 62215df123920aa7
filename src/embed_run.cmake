# Run by the build: OUT = folder to write to, NAME = base name of the two files, PREFIX = start of
# each array's name, FILES = list of files.
set(source "#include \"${NAME}.h\"\n")
set(header "#pragma once\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  # Character constants, because 0xd8 does not fit a signed char and '\xd8' does.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND source "const char ${PREFIX}${name}[] = {${bytes}0};\n")
  string(APPEND header "extern const char ${PREFIX}${name}[];\n")
endforeach()
file(WRITE ${OUT}/${NAME}.c "${source}")
file(WRITE ${OUT}/${NAME}.h "${header}")
