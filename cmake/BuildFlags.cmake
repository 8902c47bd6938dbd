# Interface targets every folder links: warnings, sanitizers, hardening.

add_library(weir_flags INTERFACE)
add_library(weir::flags ALIAS weir_flags)

target_compile_options(weir_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
    -Woverloaded-virtual -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wundef)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 takes the inactive members of a moved std::variant or tl::expected for uninitialised reads (GCC bug 80635);
    # Clang and the sanitizers look for the real ones. It also sees overlaps in std::string's own operator+ (GCC bug 105651).
    target_compile_options(weir_flags INTERFACE -Wduplicated-cond -Wlogical-op -Wno-maybe-uninitialized -Wno-restrict)
endif()
if(WEIR_WARNINGS_AS_ERRORS)
    target_compile_options(weir_flags INTERFACE -Werror)
endif()

if(WEIR_ASSERTS)
    target_compile_definitions(weir_flags INTERFACE WEIR_ASSERTS=1)
endif()
if(WEIR_SANITIZE)
    target_compile_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
    if(WEIR_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # GCC warns that TSan does not model atomic_thread_fence; none of ours stands alone.
        target_compile_options(weir_flags INTERFACE -Wno-tsan)
    endif()
endif()
if(WEIR_COVERAGE)
    target_compile_options(weir_flags INTERFACE --coverage)
    target_link_options(weir_flags INTERFACE --coverage)
endif()
if(WEIR_FUZZ)
    target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
# What is shipped is optimised as for Release, and can be debugged.
if(NOT WEIR_SANITIZE)
    target_compile_options(weir_flags INTERFACE $<$<CONFIG:RelWithDebInfo>:-O3>)
endif()
# A step beyond the end of a container ends the tests as it would end what is shipped.
if(WEIR_ASSERTS AND NOT WEIR_HARDENING)
    target_compile_options(weir_flags INTERFACE -D_GLIBCXX_ASSERTIONS)
endif()
if(WEIR_HARDENING)
    target_compile_options(weir_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
        -fcf-protection -D_GLIBCXX_ASSERTIONS)
    target_link_options(weir_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
