# One line per fuzzer: its name (fuzz/NAME_fuzz.cpp, corpus in fuzz/corpus/NAME) and what it links.
distri_fuzzer(frame LINK distri::wire)
distri_fuzzer(message LINK distri::wire)
distri_fuzzer(document LINK distri::bson distri::db)
distri_fuzzer(filter LINK distri::bson distri::db)
distri_fuzzer(replication LINK distri::replication distri::db distri::bson distri::wire)
if(DISTRI_HAVE_IMAGES)
  distri_fuzzer(image LINK distri::services)
endif()
