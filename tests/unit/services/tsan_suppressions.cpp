// Read by ThreadSanitizer at start, and by nothing else. Debian's OpenCV registers GDAL among its codecs when the first
// image is decoded, and GDAL takes two mutexes of its own in both orders while it starts, within one thread. Data races
// stay reported.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "deadlock:libgdal.so\n";
}
