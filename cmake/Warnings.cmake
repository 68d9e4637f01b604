# Warnings, hardening and sanitizers. Each hardening flag is asked of the compiler first.
set(WINNOW_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla
    -Wformat=2 -Wimplicit-fallthrough)
if(WINNOW_WERROR)
    list(APPEND WINNOW_WARNINGS -Werror)
endif()

include(CheckCCompilerFlag)
if(WINNOW_SANITIZE)
    add_compile_options(-fsanitize=${WINNOW_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${WINNOW_SANITIZE})
else()
    foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fstrict-flex-arrays=3)
        string(MAKE_C_IDENTIFIER "has${flag}" has)
        check_c_compiler_flag(${flag} ${has})
        if(${has})
            add_compile_options(${flag})
        endif()
    endforeach()
    add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
    add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
# Two builds in different folders give the same bytes.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
# Values must not depend on how a compiler contracts or reorders floating point.
add_compile_options(-ffp-contract=off)
