# Turns files into byte arrays of C, so that the binary needs none of them at run time:
# src/store/lua/publish.lua becomes `script_publish` in the generated "store_scripts.h", and the
# web files of src/reader become `reader_assets` in "reader_assets.h".

# tocsin_generate(<area> <name> <runner> <prefix> <files> <sources>): <name>.c and <name>.h, made
# by the script <runner> of the list <files>, linked into the library of <area> only. <sources> are
# what it reads.
function(tocsin_generate area name runner prefix files sources)
  set(out ${CMAKE_BINARY_DIR}/generated)
  set(script ${CMAKE_SOURCE_DIR}/src/${runner}.cmake)
  add_custom_command(
    OUTPUT ${out}/${name}.c ${out}/${name}.h
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} -DPREFIX=${prefix} "-DFILES=${files}"
      -P ${script}
    DEPENDS ${sources} ${script}
    VERBATIM)
  get_target_property(kind tocsin_${area} TYPE)
  if(kind STREQUAL STATIC_LIBRARY)
    target_sources(tocsin_${area} PRIVATE ${out}/${name}.c ${out}/${name}.h)
    target_include_directories(tocsin_${area} PRIVATE ${out})
  endif()
endfunction()

# tocsin_embed(<area> <name> <prefix> <files...>): each file as a NUL-terminated text.
function(tocsin_embed area name prefix)
  tocsin_generate(${area} ${name} embed_run ${prefix} "${ARGN}" "${ARGN}")
endfunction()

function(tocsin_embed_lua)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/store/lua/*.lua)
  tocsin_embed(store store_scripts script_ ${scripts})
endfunction()

# The taxonomy that serves when no file is configured: `builtin_taxonomy`.
function(tocsin_embed_taxonomy)
  tocsin_embed(model model_builtin builtin_ ${CMAKE_SOURCE_DIR}/config/taxonomy.json)
endfunction()

# tocsin_embed_assets(<area> <folder> <path=file...>): every web file below src/<folder> as
# `const struct assets <folder>_assets` (net/assets.h), and with it files from elsewhere, each under
# the path given: chart.js=/usr/share/…/chart.min.js. index.html is served as "/".
function(tocsin_embed_assets area folder)
  set(root ${CMAKE_SOURCE_DIR}/src/${folder})
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${root} ${root}/*)
  list(FILTER files EXCLUDE REGEX "^package(-lock)?[.]json$") # what npm reads, not the page
  set(pairs ${ARGN})
  foreach(file IN LISTS files)
    list(APPEND pairs ${file}=${root}/${file})
  endforeach()
  list(TRANSFORM pairs REPLACE "^[^=]*=" "" OUTPUT_VARIABLE sources)
  tocsin_generate(${area} ${folder}_assets embed_assets "" "${pairs}" "${sources}")
endfunction()

# tocsin_npm(<folder> <package> <out> <files...>): what src/<folder>/package-lock.json names, fetched
# by npm into the build folder; <out> gets pairs for tocsin_embed_assets() of files in its dist/.
function(tocsin_npm folder package out)
  find_program(NPM npm)
  if(NOT NPM)
    message(FATAL_ERROR "npm is needed for src/${folder}: config/packages.sh install node")
  endif()
  set(place ${CMAKE_BINARY_DIR}/npm/${folder})
  set(dist ${place}/node_modules/${package}/dist)
  set(wanted ${CMAKE_SOURCE_DIR}/src/${folder}/package.json
    ${CMAKE_SOURCE_DIR}/src/${folder}/package-lock.json)
  list(TRANSFORM ARGN PREPEND ${dist}/ OUTPUT_VARIABLE made)
  # Files of packages have the date of their release: without `touch` they would be old for ever.
  add_custom_command(
    OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${place}
    COMMAND ${CMAKE_COMMAND} -E copy ${wanted} ${place}
    COMMAND ${NPM} ci --prefix ${place} --ignore-scripts --no-audit --no-fund --loglevel=error
    COMMAND ${CMAKE_COMMAND} -E touch ${made}
    DEPENDS ${wanted}
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
    COMMENT "Fetching ${package}"
    VERBATIM)
  list(TRANSFORM ARGN REPLACE "(.+)" "\\1=${dist}/\\1" OUTPUT_VARIABLE pairs)
  set(${out} ${pairs} PARENT_SCOPE)
endfunction()
