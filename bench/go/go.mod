module spur.invalid/bench

go 1.24
