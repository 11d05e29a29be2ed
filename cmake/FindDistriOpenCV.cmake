# The three OpenCV libraries the image service uses, found by file: Debian ships OpenCVConfig.cmake only in libopencv-dev, which
# drags in a gigabyte that distri has no use for. Defines DistriOpenCV_FOUND and the target DistriOpenCV::DistriOpenCV.
find_path(DistriOpenCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4)
set(_distri_opencv_libraries "")
foreach(_component core imgproc imgcodecs)
  find_library(DistriOpenCV_${_component}_LIBRARY opencv_${_component})
  list(APPEND _distri_opencv_libraries ${DistriOpenCV_${_component}_LIBRARY})
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DistriOpenCV REQUIRED_VARS DistriOpenCV_INCLUDE_DIR DistriOpenCV_core_LIBRARY
                                  DistriOpenCV_imgproc_LIBRARY DistriOpenCV_imgcodecs_LIBRARY)
if(DistriOpenCV_FOUND AND NOT TARGET DistriOpenCV::DistriOpenCV)
  add_library(DistriOpenCV::DistriOpenCV INTERFACE IMPORTED)
  target_include_directories(DistriOpenCV::DistriOpenCV SYSTEM INTERFACE ${DistriOpenCV_INCLUDE_DIR})
  target_link_libraries(DistriOpenCV::DistriOpenCV INTERFACE ${_distri_opencv_libraries})
endif()
