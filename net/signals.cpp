#include "net/signals.hpp"

#include <algorithm>
#include <utility>

namespace weir::net {

namespace {

constexpr unsigned kFilePollMs = 2000;

}  // namespace

Signals::Signals(EventLoop& loop,
                 std::initializer_list<int> numbers,
                 std::function<void(int)> on_signal)
    : on_signal_{std::move(on_signal)} {
    for (const int number : numbers) {
        UvBox<uv_signal_t> box{
            [&loop](uv_signal_t* handle) { return uv_signal_init(loop.raw(), handle); }};
        WEIR_CHECK(box.init_error() == 0);
        box.set_owner(this);
        uv_signal_start(box.get(), &Signals::on_signal_trampoline, number);
        boxes_.push_back(std::move(box));
    }
}

void Signals::on_signal_trampoline(uv_signal_t* handle, int number) noexcept {
    if (auto* self = static_cast<Signals*>(UvBox<uv_signal_t>::owner_of(handle)); self != nullptr) {
        self->on_signal_(number);
    }
}

FileWatch::FileWatch(EventLoop& loop,
                     const std::vector<std::string>& files,
                     std::function<void()> on_change)
    : loop_{loop}, on_change_{std::move(on_change)} {
    set_files(files);
}

void FileWatch::set_files(const std::vector<std::string>& files) {
    std::erase_if(boxes_, [&files](const auto& entry) {
        return std::find(files.begin(), files.end(), entry.first) == files.end();
    });
    for (const std::string& file : files) {
        if (boxes_.contains(file)) {
            continue;
        }
        UvBox<uv_fs_poll_t> box{
            [this](uv_fs_poll_t* handle) { return uv_fs_poll_init(loop_.raw(), handle); }};
        WEIR_CHECK(box.init_error() == 0);
        box.set_owner(this);
        uv_fs_poll_start(box.get(), &FileWatch::on_change_trampoline, file.c_str(), kFilePollMs);
        boxes_.emplace(file, std::move(box));
    }
}

void FileWatch::on_change_trampoline(uv_fs_poll_t* handle,
                                     int status,
                                     const uv_stat_t* /*before*/,
                                     const uv_stat_t* /*after*/) noexcept {
    auto* self = static_cast<FileWatch*>(UvBox<uv_fs_poll_t>::owner_of(handle));
    if (self != nullptr && status == 0) {  // a file that is away for a moment is waited for
        self->on_change_();
    }
}

}  // namespace weir::net
