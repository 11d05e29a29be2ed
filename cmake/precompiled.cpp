// Nothing of its own: what is precompiled for many targets needs a file to be made for (distri_module.cmake).
