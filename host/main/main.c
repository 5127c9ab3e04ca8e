/* The executable: everything is in libganglion. */
#include "main/main.h"

int main(int argc, char **argv)
{
    return gg_main(argc, argv);
}
