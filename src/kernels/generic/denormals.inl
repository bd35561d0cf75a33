// The mode of the processor for products whose bits are those of vdpbf16ps or of tiles, for which denormals are zeros.

class DenormalsAreZero {
 public:
  DenormalsAreZero() : before_(_mm_getcsr()) { SetMode(before_ | 0x8040); }
  ~DenormalsAreZero() { SetMode(before_); }
  DenormalsAreZero(const DenormalsAreZero&) = delete;
  DenormalsAreZero& operator=(const DenormalsAreZero&) = delete;

 private:
  // The barrier keeps loads and stores, and with them the arithmetic between, on their side.
  static void SetMode(unsigned mode) { asm volatile("ldmxcsr %0" : : "m"(mode) : "memory"); }
  unsigned before_;
};
