#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace frontdesk::net {

/// One timer for thousands of deadlines: an entry waits in the slot of its time, moving it costs
/// two list operations and no memory. Deadlines are kept to a tick; those further away than two
/// seconds to ten ticks, so that a thread full of idle connections wakes twice a second. Entries
/// are intrusive and do not move in memory. One thread.
class timer_wheel {
public:
  static constexpr std::uint64_t tick_ms = 50;
  static constexpr std::uint64_t never = UINT64_MAX;

  struct entry {
    entry* previous = nullptr;
    entry* next = nullptr;
    std::uint64_t due_tick = 0;
  };

  explicit timer_wheel(std::uint64_t now_ms) : tick_(now_ms / tick_ms) {
    for (entry& slot : slots_)
      slot.previous = slot.next = &slot;
  }

  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  /// Sets the entry's only deadline; never before `due_ms`.
  void schedule(entry& item, std::uint64_t now_ms, std::uint64_t due_ms) {
    cancel(item);
    constexpr std::uint64_t far_ms = 2000;
    constexpr std::uint64_t coarse = 10;
    std::uint64_t due = (due_ms + tick_ms - 1) / tick_ms;
    if (due_ms > now_ms + far_ms)
      due = (due + coarse - 1) / coarse * coarse;
    if (due <= tick_)
      due = tick_ + 1;
    item.due_tick = due;
    link(item);
    if (due < next_tick_)
      next_tick_ = due;
  }

  static bool scheduled(const entry& item) { return item.next != nullptr; }

  static void cancel(entry& item) {
    if (!item.next)
      return;
    item.previous->next = item.next;
    item.next->previous = item.previous;
    item.previous = item.next = nullptr;
  }

  /// When `advance` is to be called next; `never` without entries. May be early, is never late.
  std::uint64_t next_due_ms() const { return next_tick_ == never ? never : next_tick_ * tick_ms; }

  /// Calls `on_due(entry&)` for each entry whose time has come; it may schedule and cancel any
  /// entry.
  template <class Function>
  void advance(std::uint64_t now_ms, Function&& on_due) {
    const std::uint64_t now_tick = now_ms / tick_ms;
    if (now_tick <= tick_ || now_tick < next_tick_)
      return;
    const std::uint64_t passed = now_tick - tick_;
    const std::uint64_t first = passed >= slot_count ? now_tick - slot_count + 1 : tick_ + 1;
    tick_ = now_tick;
    for (std::uint64_t tick = first; tick <= now_tick; ++tick)
      visit(tick % slot_count, on_due);
    find_next();
  }

private:
  static constexpr std::size_t slot_count = 1024;

  void link(entry& item) {
    const std::size_t index = item.due_tick % slot_count;
    entry& slot = slots_[index];
    item.previous = slot.previous;
    item.next = &slot;
    slot.previous->next = &item;
    slot.previous = &item;
    used_[index / 64] |= std::uint64_t{1} << (index % 64);
  }

  template <class Function>
  void visit(std::size_t index, Function& on_due) {
    used_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
    entry& slot = slots_[index];
    if (slot.next == &slot)
      return;
    // The entries move to a list of their own, so that what on_due schedules is not met again in
    // this round.
    entry list{slot.previous, slot.next, 0};
    list.next->previous = list.previous->next = &list;
    slot.previous = slot.next = &slot;
    while (list.next != &list) {
      entry& item = *list.next;
      cancel(item);
      if (item.due_tick <= tick_) {
        on_due(item);
      } else {
        link(item); // a later round of the wheel
      }
    }
  }

  void find_next() {
    next_tick_ = never;
    for (std::uint64_t ahead = 1; ahead <= slot_count;) {
      const std::size_t index = (tick_ + ahead) % slot_count;
      const std::uint64_t word = used_[index / 64] >> (index % 64);
      if (word != 0) {
        next_tick_ = tick_ + ahead + static_cast<std::uint64_t>(std::countr_zero(word));
        return;
      }
      ahead += 64 - index % 64;
    }
  }

  std::array<entry, slot_count> slots_{};
  std::array<std::uint64_t, slot_count / 64> used_{};
  std::uint64_t tick_;
  std::uint64_t next_tick_ = never;
};

} // namespace frontdesk::net
