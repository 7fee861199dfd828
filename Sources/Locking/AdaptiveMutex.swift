// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Initialises the mutexes of this module.
enum AdaptiveMutex {
  /// Initialises a mutex so that a thread which finds it taken spins for a moment before it sleeps,
  /// if the system can do that.
  ///
  /// These mutexes are held for less time than it takes to fall asleep and be woken.
  static func initialize(_ mutex: UnsafeMutablePointer<pthread_mutex_t>) {
    #if canImport(Glibc)
      var attributes = pthread_mutexattr_t()
      unsafe pthread_mutexattr_init(&attributes)
      unsafe pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_ADAPTIVE_NP))
      unsafe pthread_mutex_init(mutex, &attributes)
      unsafe pthread_mutexattr_destroy(&attributes)
    #else
      unsafe pthread_mutex_init(mutex, nil)
    #endif
  }
}
