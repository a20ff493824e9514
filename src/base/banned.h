/* Calls that do not know how big their target is, or that hide a failure. Included last in every .c file of base,
 * after the system's headers, which may name them. */
#undef sprintf /* fortified, it may be a macro */
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi gets
