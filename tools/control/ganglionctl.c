/* ganglionctl: the processes of a deployment. Everything is in libganglion (host/control). */
#include "control/control.h"

int main(int argc, char **argv)
{
    return gg_control_main(argc, argv);
}
