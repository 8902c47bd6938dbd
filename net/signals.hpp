#pragma once

#include "net/event_loop.hpp"
#include "net/uv_box.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

namespace weir::net {

/// Calls back on the loop's thread for each of the given signals.
class Signals {
public:
    Signals(EventLoop& loop,
            std::initializer_list<int> numbers,
            std::function<void(int)> on_signal);
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    Signals(Signals&&) = delete;
    Signals& operator=(Signals&&) = delete;
    ~Signals() = default;

private:
    static void on_signal_trampoline(uv_signal_t* handle, int number) noexcept;

    std::function<void(int)> on_signal_;
    std::vector<UvBox<uv_signal_t>> boxes_;
};

/// Calls back when one of the given files changes, looked at every two seconds: works for files
/// that are replaced by a rename or a link, as mounted config maps are.
class FileWatch {
public:
    FileWatch(EventLoop& loop,
              const std::vector<std::string>& files,
              std::function<void()> on_change);
    /// Watches these from now on. Of those that stay no change is missed, whenever it was made.
    void set_files(const std::vector<std::string>& files);
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;
    FileWatch(FileWatch&&) = delete;
    FileWatch& operator=(FileWatch&&) = delete;
    ~FileWatch() = default;

private:
    static void on_change_trampoline(uv_fs_poll_t* handle,
                                     int status,
                                     const uv_stat_t* before,
                                     const uv_stat_t* after) noexcept;

    EventLoop& loop_;
    std::function<void()> on_change_;
    std::map<std::string, UvBox<uv_fs_poll_t>> boxes_;
};

}  // namespace weir::net
