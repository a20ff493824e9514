/* ref_empty: what the loader and the C library cost. bench/start measures against it. */
int main(void) { return 0; }
