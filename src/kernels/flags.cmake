# Which instructions each tier's file may use; every other file keeps to the compiler's base, since it runs on any CPU.
# Features are named one by one: g++ 12 and clang 14 don't know the newer -march names.
# Without exceptions no personality symbol is left to be shared.
set(OCTET_AVX2_FLAGS -mavx2 -mfma -mf16c -fno-exceptions)
set(OCTET_AVX512_FLAGS ${OCTET_AVX2_FLAGS} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi
                       -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 takes the don't-care operand of its own intrinsics for an uninitialised variable (PR 105593).
  list(APPEND OCTET_AVX512_FLAGS -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
set(OCTET_AVX512_BF16_FLAGS ${OCTET_AVX512_FLAGS} -mavx512bf16)
set(OCTET_AMX_FLAGS ${OCTET_AVX512_FLAGS} -mamx-tile -mamx-bf16 -mamx-int8)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(tier IN ITEMS avx2 avx512 avx512_bf16 amx)
    string(TOUPPER ${tier} upper)
    set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/kernels/x86/${tier}.cpp PROPERTIES COMPILE_OPTIONS
                                                                                               "${OCTET_${upper}_FLAGS}")
  endforeach()
endif()

# Half the time of a sanitizer build went into checks of each pointer that these loops form, of which AddressSanitizer finds those
# that would hurt.
if(OCTET_SANITIZE MATCHES "undefined")
  target_compile_options(octet_kernels PRIVATE -fno-sanitize=null,pointer-overflow,object-size,vptr)
endif()
