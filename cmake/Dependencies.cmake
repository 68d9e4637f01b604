# What must be there, and what is looked for; a missing optional part is one line and the rest is built.
find_package(PkgConfig REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8>=10.40)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# Debian installs serial HDF5 beside its MPI build, with a pkg-config file of its own name.
pkg_check_modules(HDF5 IMPORTED_TARGET hdf5-serial)
if(NOT HDF5_FOUND)
    pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5)
endif()

# oneDNN's own package file asks for more than its C API needs; the header and the library are enough.
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)
find_package(OpenMP COMPONENTS C QUIET)
if(DNNL_INCLUDE AND DNNL_LIBRARY AND OpenMP_C_FOUND)
    set(DNNL_FOUND TRUE)
    add_library(PkgDNNL INTERFACE IMPORTED)
    target_include_directories(PkgDNNL INTERFACE ${DNNL_INCLUDE})
    target_link_libraries(PkgDNNL INTERFACE ${DNNL_LIBRARY} OpenMP::OpenMP_C)
else()
    set(DNNL_FOUND FALSE)
    message(STATUS "winnow: oneDNN not found (Debian: libdnnl-dev): the CPU uses the slow reference products")
endif()
