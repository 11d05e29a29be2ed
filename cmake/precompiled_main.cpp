// The same for programs, which need a main().
int main() {}
