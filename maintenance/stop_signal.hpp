#pragma once

#include <atomic>
#include <cstdint>

namespace weir::maintenance {

/// How the one who runs jobs tells them to end: first at the next chunk border, then at once.
/// Thread: any.
class StopSignal {
public:
    /// Jobs end at their next border; statements under way are finished.
    void ask() { raise(Level::Asked); }

    /// Statements under way are cancelled as well.
    void cut() { raise(Level::Cut); }

    [[nodiscard]] bool is_asked() const { return level_.load() != Level::None; }

    [[nodiscard]] bool is_cut() const { return level_.load() == Level::Cut; }

private:
    enum class Level : std::uint8_t { None, Asked, Cut };

    void raise(Level level) {
        Level now = level_.load();
        while (now < level && !level_.compare_exchange_weak(now, level)) {
        }
    }

    std::atomic<Level> level_{Level::None};
};

}  // namespace weir::maintenance
