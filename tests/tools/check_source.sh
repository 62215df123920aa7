#!/bin/bash
# Reads src/ and include/ and says where they break the rules of the source:
#   layers     which area may include which, and where each library may be used
#   calls      functions that are banned (unbounded, or with hidden state)
#   sizes      no function over 80 lines, no file over 600
#   headers    #pragma once; a source with public functions has its header
#   words      no notes to self left behind
#   web        the pages (src/console, src/reader): kinds of file, sizes, nothing that the content
#              security policy forbids or that makes markup of texts, no code from elsewhere
# Usage: check_source.sh [ROOT]. One line a fault; ends with 1 if there was any.
set -u
root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$root" || exit 2
files=$(find src include -name '*.[ch]' | sort)
[ -n "$files" ] || { echo "no sources under $root" >&2; exit 2; }

# What every check sees: "kind file line text", where kind is C for code without comments and with
# texts emptied, I for an #include as written, R for the raw line.
read_files() {
    # shellcheck disable=SC2086
    awk '
    function code(line,    out, c, two) {
        out = ""
        while (line != "") {
            if (in_comment) {
                at = index(line, "*/")
                if (!at) return out
                line = substr(line, at + 2); in_comment = 0
                continue
            }
            two = substr(line, 1, 2); c = substr(line, 1, 1)
            if (two == "/*") { in_comment = 1; line = substr(line, 3) }
            else if (two == "//") return out
            else if (c == "\"" || c == "\047") {
                line = substr(line, 2); out = out c
                while (line != "" && substr(line, 1, 1) != c)
                    line = substr(line, substr(line, 1, 1) == "\\" ? 3 : 2)
                line = substr(line, 2); out = out c
            } else { out = out c; line = substr(line, 2) }
        }
        return out
    }
    FNR == 1 { in_comment = 0 }
    { print "R", FILENAME, FNR, $0 }
    !in_comment && /^[ \t]*#[ \t]*include/ { print "I", FILENAME, FNR, $0; next }
    { print "C", FILENAME, FNR, code($0) }
    ' $files
}

# The area of a file: the folder below src/ or include/; "main" for src/main.c.
area='function area(file,    part) {
    return split(file, part, "/") > 2 ? part[2] : "main"
}'

check_layers() {
    awk "$area"'
    BEGIN {
        allow["base"] = "base"
        allow["model"] = "base model"
        allow["net"] = "base model net"
        allow["store"] = "base model store"
        allow["auth"] = "base model auth"
        allow["render"] = "base model render"
        allow["newsroom"] = "base model net store auth render newsroom"
        allow["gateway"] = "base model net store auth gateway"
        allow["push"] = "base model net store auth render push"
        allow["app"] = "base model net store auth render newsroom gateway push app"
        allow["main"] = "app"
        # library header (a prefix) -> areas
        where["libwebsockets"] = "gateway"
        where["microhttpd"] = "net"
        where["nghttp2"] = "net"
        where["gnutls"] = "net"
        where["hiredis"] = "store"
        where["cJSON"] = "model newsroom gateway push"
        where["cjson"] = "model newsroom gateway push"
        where["unicase.h"] = "model"
        where["unictype.h"] = "model"
        where["unigbrk.h"] = "model"
        where["uninorm.h"] = "model"
        where["unistr.h"] = "model"
        where["curl"] = "app"
        where["ini.h"] = "base"
        where["openssl"] = "base net store auth push"
        where["uv.h"] = "net store newsroom gateway push app"
    }
    function has(list, word) { return index(" " list " ", " " word " ") > 0 }
    $1 == "I" {
        from = area($2)
        if (!(from in allow)) { print $2 ":" $3 ": area " from " is not in the table of layers"; next }
        if (match($0, /"[^"]+"/)) {
            header = substr($0, RSTART + 1, RLENGTH - 2)
            to = index(header, "/") ? substr(header, 1, index(header, "/") - 1) : from
            if (!has(allow[from], to))
                print $2 ":" $3 ": " from " must not include " header
        } else if (match($0, /<[^>]+>/)) {
            header = substr($0, RSTART + 1, RLENGTH - 2)
            for (library in where)
                if (index(header, library) == 1 && !has(where[library], from))
                    print $2 ":" $3 ": " header " is used only in " where[library]
        }
    }'
}

check_calls() {
    awk '
    BEGIN {
        count = split("strcpy strcat sprintf vsprintf strtok atoi atol atof gets alloca scanf sscanf fscanf", names, " ")
    }
    $1 == "C" {
        for (i = 1; i <= count; i++)
            if (match($0, "(^|[^A-Za-z0-9_])" names[i] "[ ]*\\("))
                print $2 ":" $3 ": " names[i] "() is banned"
    }'
}

# A function starts at the first line of its signature and ends with "}" in column one, which is how
# clang-format lays them out.
check_sizes() {
    awk '
    $1 == "R" { lines[$2] = $3 }
    $1 == "C" && $2 ~ /^src\// {
        text = $0
        sub(/^C [^ ]+ [0-9]+ ?/, "", text)
        if (file != $2) { file = $2; start = 0; inside = 0 }
        if (text ~ /^}/) {
            if (inside && $3 - start + 1 > 80)
                print $2 ":" start ": a function of " $3 - start + 1 " lines (80 at most)"
            start = 0; inside = 0
        } else if (inside) { next }
        else if (text ~ /^[A-Za-z_]/) {
            if (!start) start = $3
            if (text ~ /\{$/ && text !~ /=[^)]*\{$/ && text !~ /^((static|const|typedef) )*(struct|enum|union)[^(]*\{$/) inside = 1
            else if (text ~ /\{$/) { inside = 0; start = 0 }
            else if (text ~ /[;}]$/) start = 0
        } else if (start && text ~ /\{$/) { inside = text !~ /=[^)]*\{$/ ; if (!inside) start = 0 }
        else if (text ~ /;$/) start = 0
    }
    END {
        for (file in lines)
            if (lines[file] > 600) print file ": " lines[file] " lines (600 at most)"
    }'
}

# Public functions are declared in a header of the area that the source includes and that has its
# name or its first word: alert_publish.c may implement part of alert_store.h. (That they are declared
# at all is seen by the compiler: -Wmissing-prototypes.)
check_headers() {
    for file in $files; do
        case $file in
        */*_table.h) continue ;;
        *.h)
            [ "$(head -n 1 "$file")" = "#pragma once" ] || echo "$file:1: #pragma once comes first"
            continue
            ;;
        src/main.c) continue ;;
        esac
        grep -Ev '^(static|typedef|extern|struct [a-z0-9_]+ \{)' "$file" |
            grep -Eq '^[A-Za-z_][A-Za-z0-9_ *]*\([^;]*(\{|,)$' || continue
        folder=$(basename "$(dirname "$file")")
        name=$(basename "$file" .c)
        grep -Eq "^#include \"($folder/)?${name%%_*}(_[a-z0-9_]+)?\.h\"" "$file" ||
            echo "$file:1: public functions, but no header of its name"
    done
}

# Spelled so that it does not find itself.
NOTE_TO_SELF='(^|[^A-Za-z])(TO[D]O|FIX[M]E|X[X]X|HA[C]K)([^A-Za-z]|$)'

check_words() {
    awk -v note="$NOTE_TO_SELF" '
    $1 == "R" && match($0, note) {
        print $2 ":" $3 ": a note to self"
    }'
}

# A page imports only from its own folder: what comes from npm is embedded under a path of its own.
check_web() {
    for folder in src/console src/reader; do
        [ -d "$folder" ] && find "$folder" -type f | sort
    done | while read -r file; do
        case $file in
        *.html | *.css | *.js | *.mjs) ;;
        *.svg | *.png | *.ico | *.woff2 | *.json | *.webmanifest)
            [ "$(wc -c < "$file")" -le 65536 ] || echo "$file: more than 65536 bytes"
            continue
            ;;
        *)
            echo "$file: no kind of file that a page is made of"
            continue
            ;;
        esac
        awk -v file="$file" -v note="$NOTE_TO_SELF" '
        function fault(what) { print file ":" FNR ": " what }
        BEGIN {
            count = split("innerHTML outerHTML insertAdjacentHTML document.write eval( new~Function setAttribute(\047style", names, " ")
        }
        $0 ~ note { fault("a note to self") }
        length($0) > 160 { fault("a line of more than 160 characters") }
        file ~ /js$/ {
            for (i = 1; i <= count; i++) {
                name = names[i]
                sub(/~/, " ", name)
                if (index($0, name)) fault(name " is banned")
            }
            if ($0 ~ /(from|import) *\(? *["\047]/ && $0 !~ /(from|import) *\(? *["\047]\.\.?\//)
                fault("imports from elsewhere")
        }
        file ~ /\.html$/ {
            if ($0 ~ /<script/ && $0 !~ /<script[^>]* src=/) fault("an inline script")
            if ($0 ~ /<style|[ "\047]style=|[ "\047]on[a-z]+=/) fault("an inline style or handler")
            if ($0 ~ /(src|href)="(https?:)?\/\// && $0 !~ /<a /) fault("loads from elsewhere")
        }
        file ~ /\.css$/ && /@import|url\( *["\047]?(https?:)?\/\// { fault("loads from elsewhere") }
        END { if (NR > 600) print file ": " NR " lines (600 at most)" }' "$file"
    done
}

lines=$(mktemp) || exit 2
trap 'rm -f "$lines"' EXIT
read_files > "$lines"
faults=$({
    check_layers < "$lines"
    check_calls < "$lines"
    check_sizes < "$lines"
    check_headers
    check_words < "$lines"
    check_web
})
if [ -n "$faults" ]; then
    printf '%s\n' "$faults"
    exit 1
fi
echo "$(printf '%s\n' "$files" | wc -l) files, no faults"
