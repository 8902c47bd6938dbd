# weir_folder(NAME SOURCES a.cpp ... LINKS weir::base ... [PRIVATE_LINKS PkgConfig::uv ...])
#
# One folder = one static library weir_NAME (alias weir::NAME). LINKS are the folders and libraries whose headers this
# folder may include; PRIVATE_LINKS are libraries that stay behind it. Every header must compile by itself.
function(weir_folder name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
    add_library(weir_${name} STATIC ${arg_SOURCES})
    add_library(weir::${name} ALIAS weir_${name})
    target_include_directories(weir_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(weir_${name} PUBLIC ${arg_LINKS} PRIVATE weir::flags ${arg_PRIVATE_LINKS})
endfunction()
