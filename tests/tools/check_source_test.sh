#!/bin/bash
# Proves that every check of check_source.sh can fail: a good tree passes, and each fault put into
# it is found, at its place and alone.
set -u
check=$(cd "$(dirname "$0")" && pwd)/check_source.sh
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0
count=0

reset_tree() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/src/{base,net,gateway,newsroom,store,model,app} "$tree"/include/{base,net,gateway,app}
    printf '#pragma once\nint thing_do(void);\n' > "$tree/include/base/thing.h"
    printf '#include "base/thing.h"\n\nint thing_do(void) {\n    return 1; /* never gets(TODAY) */\n}\n' > "$tree/src/base/thing.c"
    printf '#pragma once\nint edge_do(void);\n' > "$tree/include/gateway/edge.h"
    printf '#include "gateway/edge.h"\n\n#include <libwebsockets.h>\n\n#include "base/thing.h"\n#include "net/http.h"\n\nint edge_do(void) {\n    return thing_do();\n}\n' > "$tree/src/gateway/edge.c"
    printf '#include "gateway/edge.h"\n\nint edge_read(void) {\n    return 0;\n}\n' > "$tree/src/gateway/edge_read.c"
    mkdir -p "$tree/src/reader/parts"
    printf '<!doctype html>\n<link rel="stylesheet" href="page.css">\n<script type="module" src="page.js"></script>\n<a href="https://x.example/">x</a>\n' > "$tree/src/reader/index.html"
    printf 'import { a } from "./parts/a.js";\na.textContent = "x";\n' > "$tree/src/reader/page.js"
    printf 'p { background: url("data:image/svg+xml,x"); }\n' > "$tree/src/reader/page.css"
    printf '#include "app/app.h"\n\nint main(void) {\n    return 0;\n}\n' > "$tree/src/main.c"
}

# expect NAME PATTERN: the tree as it is has exactly one fault, which matches PATTERN.
expect() {
    count=$((count + 1))
    local output status
    output=$("$check" "$tree")
    status=$?
    if [ $status -ne 1 ] || [ "$(printf '%s\n' "$output" | wc -l)" -ne 1 ] ||
        ! printf '%s\n' "$output" | grep -Eq "$2"; then
        printf 'not found: %s (status %d)\n%s\n' "$1" $status "$output"
        failed=1
    fi
    reset_tree
}

# function_of LINES: a function of that many lines, signature over two lines.
function_of() {
    printf '\nint thing_long(int a,\n               int b) {\n'
    for ((i = 0; i < $1 - 3; i++)); do printf '    a += b;\n'; done
    printf '}\n'
}

reset_tree
count=$((count + 1))
"$check" "$tree" > /dev/null || { echo "a good tree does not pass:"; "$check" "$tree"; failed=1; }

echo '#include "net/http.h"' >> "$tree/src/base/thing.c"
expect "upward include" '^src/base/thing.c:6: base must not include net/http.h'
echo '#include "newsroom/newsroom.h"' >> "$tree/include/gateway/edge.h"
expect "sibling role" '^include/gateway/edge.h:3: gateway must not include newsroom'
echo '#include "store/bus.h"' > "$tree/src/net/a.c"
expect "sibling below" '^src/net/a.c:1: net must not include store'
echo '#include "base/thing.h"' >> "$tree/src/main.c"
expect "main past app" '^src/main.c:6: main must not include base/thing.h'
mkdir -p "$tree/src/extra" && echo '#include <stdio.h>' > "$tree/src/extra/a.c"
expect "unknown area" 'area extra is not in the table'

echo '#include <libwebsockets.h>' > "$tree/src/net/a.c"
expect "libwebsockets" 'libwebsockets.h is used only in gateway'
echo '#include <microhttpd.h>' > "$tree/src/newsroom/a.c"
expect "libmicrohttpd" 'microhttpd.h is used only in net'
echo '#include <nghttp2/nghttp2.h>' > "$tree/src/gateway/a.c"
expect "nghttp2" 'nghttp2.h is used only in net'
echo '#include <hiredis/hiredis.h>' > "$tree/src/app/a.c"
expect "hiredis" 'hiredis.h is used only in store'
echo '#include <cJSON.h>' > "$tree/src/store/a.c"
expect "cJSON" 'cJSON.h is used only in model newsroom gateway push'
echo '#include <uv.h>' > "$tree/src/model/a.c"
expect "libuv" 'uv.h is used only in'

for name in strcpy strcat sprintf vsprintf strtok atoi atol atof gets alloca scanf sscanf fscanf; do
    printf '\nstatic void f(void) {\n    (void)%s (0); // "\n}\n' $name >> "$tree/src/base/thing.c"
    expect "$name" "^src/base/thing.c:8: $name\(\) is banned"
done
printf '\nstatic const char *t = "gets(1) \\" sprintf(2)"; /* strcpy(a)\n atoi(b) */\nint my_gets(int);\n' >> "$tree/src/base/thing.c"
count=$((count + 1))
"$check" "$tree" > /dev/null || { echo "banned words in texts, comments and longer names count:"; "$check" "$tree"; failed=1; }
reset_tree

function_of 80 >> "$tree/src/base/thing.c"
printf '\nstatic const int a[] = {\n' >> "$tree/src/base/thing.c"
for ((i = 0; i < 100; i++)); do printf '    1,\n'; done >> "$tree/src/base/thing.c"
printf '};\n' >> "$tree/src/base/thing.c"
count=$((count + 1))
"$check" "$tree" > /dev/null || { echo "80 lines, or a long table, do not pass:"; "$check" "$tree"; failed=1; }
reset_tree
function_of 81 >> "$tree/src/base/thing.c"
expect "long function" '^src/base/thing.c:7: a function of 81 lines'
for ((i = 0; i < 600; i++)); do echo; done >> "$tree/src/base/thing.c"
expect "long file" '^src/base/thing.c: 605 lines'

sed -i 1d "$tree/include/base/thing.h"
expect "no pragma" '^include/base/thing.h:1: #pragma once'
sed -i 's#base/thing.h#base/other.h#' "$tree/src/base/thing.c"
expect "no header" '^src/base/thing.c:1: public functions, but no header'
echo '#include <openssl/ssl.h>' > "$tree/src/gateway/a.c"
expect "OpenSSL" 'ssl.h is used only in'
echo '#include <curl/curl.h>' > "$tree/src/net/a.c"
expect "libcurl" 'curl.h is used only in app'
printf '/* FIX%s: later */\n' ME >> "$tree/src/base/thing.c"
expect "note" '^src/base/thing.c:6: a note to self'

# web FILE LINE PATTERN: this line of this page file is a fault.
web() {
    printf '%s\n' "$2" >> "$tree/src/reader/$1"
    expect "$1: $2" "^src/reader/$1:[0-9]+: $3"
}
for name in innerHTML outerHTML insertAdjacentHTML; do
    web page.js "a.$name = text;" "$name is banned"
done
web page.js 'document.write(text);' 'document.write is banned'
web page.js 'eval(text);' 'eval\( is banned'
web page.js 'const f = new Function(text);' 'new Function is banned'
web page.js "a.setAttribute('style', text);" 'setAttribute\(.style is banned'
web page.js 'import x from "https://x.example/x.js";' 'imports from elsewhere'
web page.js "import('x');" 'imports from elsewhere'
web page.js "// TO""DO: later" 'a note to self'
web page.js "$(printf 'a%.0s' {1..161})" 'a line of more than 160'
web index.html '<script>alert(1)</script>' 'an inline script'
web index.html '<p style="color: red">' 'an inline style'
web index.html '<p onclick="go()">' 'an inline style or handler'
web index.html '<img src="https://x.example/x.png">' 'loads from elsewhere'
web page.css '@import "x.css";' 'loads from elsewhere'
web page.css 'p { background: url(//x.example/x.png); }' 'loads from elsewhere'
for ((i = 0; i < 600; i++)); do echo; done >> "$tree/src/reader/page.css"
expect "long page file" '^src/reader/page.css: 601 lines'
echo x > "$tree/src/reader/page.ts"
expect "unknown page file" '^src/reader/page.ts: no kind of file'
head -c 65537 /dev/zero > "$tree/src/reader/parts/x.png"
expect "large picture" '^src/reader/parts/x.png: more than 65536'

rm -rf "${tree:?}"/*
count=$((count + 1))
"$check" "$tree" > /dev/null 2>&1
[ $? -eq 2 ] || { echo "an empty tree passes"; failed=1; }

[ $failed -eq 0 ] && echo "$count cases, all as expected"
exit $failed
