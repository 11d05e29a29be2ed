// Nothing of its own: what is precompiled for all libraries needs a file to be made for (distri_module.cmake).
