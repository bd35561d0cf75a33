// Entry of the program `octet`: hands the words of the command line to the verb named first.
#include <cstdio>

int main() {
  std::fprintf(stderr, "octet: no verbs are built in\n");
  return 2;
}
