%% The workloads of the benchmarks in Erlang: bench:main([Workload, Count]) prints operations per second.
%% The second node of the remote ones is started by whoever runs this, and registers `sink` and `adder`.
-module(bench).
-export([main/1, receiver/0, sink/1, adder/1]).

-define(CHUNK, 5000).
-define(REMOTE_CHUNK, 1000).
-define(WINDOW, 8).

main([Workload, Count | Node]) ->
    N = list_to_integer(Count),
    io:format("~p~n", [run(Workload, N, [list_to_atom(Name) || Name <- Node])]),
    halt().

run("tell", N, _) ->
    Sink = spawn(?MODULE, sink, [0]),
    Rounds = rounds(N, ?CHUNK),
    rate(Rounds * ?CHUNK, fun() -> chunks(Sink, Rounds, 1) end);
run("ask_1", N, _) ->
    Adder = spawn(?MODULE, adder, [0]),
    rate(N, fun() -> ask(Adder, N) end);
run("ask_64", N, _) ->
    askers(spawn(?MODULE, adder, [0]), N);
run("ping_pong", N, _) -> circle(2, N);
run("ring", N, _) -> circle(1000, N);
run("fan_in", N, _) ->
    Sink = spawn(?MODULE, sink, [0]),
    Senders = [spawn(fun() -> sender(Sink) end) || _ <- lists:seq(1, 100)],
    Rounds = rounds(N, 5000),
    rate(Rounds * 5000, fun() -> fan_in(Senders, Sink, Rounds, 5000) end);
run("spawn", N, _) ->
    Before = erlang:memory(total),
    Self = self(),
    Start = erlang:monotonic_time(),
    Pids = [spawn(fun() -> idle() end) || _ <- lists:seq(1, N)],
    lists:last(Pids) ! {greet, Self},
    receive hello -> ok end,
    Rate = N / seconds(Start),
    [Rate, (erlang:memory(total) - Before) / N];
run("skynet", Leaves, _) ->
    Self = self(),
    rate(Leaves, fun() ->
        spawn(fun() -> branch(Self, 0, Leaves) end),
        Total = Leaves * (Leaves - 1) div 2,
        receive {total, Total} -> ok end
    end);
run("timers_fire", N, _) ->
    Rounds = rounds(N, 10000),
    rate(Rounds * 10000, fun() -> timers(Rounds, fire) end);
run("timers_cancel", N, _) ->
    Rounds = rounds(N, 10000),
    rate(Rounds * 10000, fun() -> timers(Rounds, cancel) end);
run("remote_tell_small", N, [Node]) -> remote_tell(N, Node, fun(Number) -> {item, Number} end);
run("remote_tell_1KiB", N, [Node]) ->
    Payload = binary:copy(<<"x">>, 1024),
    remote_tell(N, Node, fun(Number) -> {item, Number, Payload} end);
run("remote_ask_64", N, [Node]) ->
    askers(remote(Node, adder), N).

remote(Node, Name) ->
    true = net_kernel:connect_node(Node),
    case rpc:call(Node, erlang, whereis, [Name]) of
        Pid when is_pid(Pid) -> Pid;
        undefined -> timer:sleep(10), remote(Node, Name)
    end.

receiver() ->
    register(sink, spawn(?MODULE, sink, [0])),
    register(adder, spawn(?MODULE, adder, [0])),
    io:format("ready~n"),
    io:get_line(""),
    halt().

sink(Count) ->
    receive
        {item, _} -> sink(Count + 1);
        {item, _, _} -> sink(Count + 1);
        {mark, From, Ref} -> From ! {Ref, Count}, sink(Count)
    end.

adder(Total) ->
    receive {add, Amount, From, Ref} -> From ! {Ref, Total + Amount}, adder(Total + Amount) end.

chunks(_, 0, _) -> ok;
chunks(Sink, Rounds, Round) ->
    tell_all(Sink, ?CHUNK),
    Expected = Round * ?CHUNK,
    Expected = mark(Sink),
    chunks(Sink, Rounds - 1, Round + 1).

tell_all(_, 0) -> ok;
tell_all(Sink, N) -> Sink ! {item, N}, tell_all(Sink, N - 1).

mark(Sink) ->
    Ref = make_ref(),
    Sink ! {mark, self(), Ref},
    receive {Ref, Count} -> Count end.

%% What gen_server:call does: a monitor, a message, an answer or a time-out.
call(Pid) ->
    Ref = erlang:monitor(process, Pid),
    Pid ! {add, 1, self(), Ref},
    receive
        {Ref, Total} -> erlang:demonitor(Ref, [flush]), Total;
        {'DOWN', Ref, _, _, Reason} -> exit(Reason)
    after 5000 -> exit(timeout)
    end.

ask(_, 0) -> ok;
ask(Adder, N) -> call(Adder), ask(Adder, N - 1).

askers(Adder, N) ->
    Each = rounds(N, 64),
    Before = call(Adder),
    Self = self(),
    Rate = rate(Each * 64, fun() ->
        [spawn(fun() -> ask(Adder, Each), Self ! done end) || _ <- lists:seq(1, 64)],
        [receive done -> ok end || _ <- lists:seq(1, 64)]
    end),
    Expected = Before + Each * 64 + 1,
    Expected = call(Adder),
    Rate.

circle(Size, N) ->
    Self = self(),
    [First | _] = Players = [spawn(fun() -> receive {next, Next} -> player(Next, Self) end end) || _ <- lists:seq(1, Size)],
    lists:zipwith(fun(Player, Next) -> Player ! {next, Next} end, Players, tl(Players) ++ [First]),
    rate(N, fun() -> First ! {ball, N}, receive over -> ok end end).

player(Next, Owner) ->
    receive
        {ball, 1} -> Owner ! over, player(Next, Owner);
        {ball, Left} -> Next ! {ball, Left - 1}, player(Next, Owner)
    end.

sender(Sink) ->
    receive begin_ -> tell_all(Sink, 50), sender(Sink) end.

fan_in(_, _, 0, _) -> ok;
fan_in(Senders, Sink, Rounds, Expected) ->
    [Sender ! begin_ || Sender <- Senders],
    until(Sink, Expected),
    fan_in(Senders, Sink, Rounds - 1, Expected + 5000).

until(Sink, Expected) ->
    case mark(Sink) of
        Expected -> ok;
        _ -> until(Sink, Expected)
    end.

idle() -> receive {greet, From} -> From ! hello, idle() end.

branch(Parent, First, 1) -> Parent ! {total, First};
branch(Parent, First, Size) when Size rem 10 =:= 0 -> % any other size would divide down to 0, and never end
    Self = self(),
    Part = Size div 10,
    [spawn(fun() -> branch(Self, First + N * Part, Part) end) || N <- lists:seq(0, 9)],
    Parent ! {total, lists:sum([receive {total, Total} -> Total end || _ <- lists:seq(1, 10)])}.

timers(0, _) -> ok;
timers(Rounds, fire) ->
    [erlang:send_after(1, self(), tick) || _ <- lists:seq(1, 10000)],
    [receive tick -> ok end || _ <- lists:seq(1, 10000)],
    timers(Rounds - 1, fire);
timers(Rounds, cancel) ->
    Timers = [erlang:send_after(1000, self(), tick) || _ <- lists:seq(1, 10000)],
    [erlang:cancel_timer(Timer) || Timer <- Timers],
    timers(Rounds - 1, cancel).

remote_tell(N, Node, Make) ->
    Sink = remote(Node, sink),
    Chunk = [Make(Number) || Number <- lists:seq(1, ?REMOTE_CHUNK)],
    Rounds = rounds(N, ?REMOTE_CHUNK),
    Before = mark(Sink),
    rate(Rounds * ?REMOTE_CHUNK, fun() ->
        pump(Sink, Chunk, Rounds, queue:new()),
        Expected = Before + Rounds * ?REMOTE_CHUNK,
        Expected = mark(Sink)
    end).

pump(_, _, 0, Marks) -> [await(Ref) || Ref <- queue:to_list(Marks)];
pump(Sink, Chunk, Rounds, Marks) ->
    [Sink ! Item || Item <- Chunk],
    Ref = make_ref(),
    Sink ! {mark, self(), Ref},
    Waiting = queue:in(Ref, Marks),
    case queue:len(Waiting) >= ?WINDOW of
        true ->
            {{value, Oldest}, Rest} = queue:out(Waiting),
            await(Oldest),
            pump(Sink, Chunk, Rounds - 1, Rest);
        false -> pump(Sink, Chunk, Rounds - 1, Waiting)
    end.

await(Ref) -> receive {Ref, _} -> ok end.

rounds(N, Each) -> max(1, N div Each).

rate(N, Work) ->
    Start = erlang:monotonic_time(),
    Work(),
    N / seconds(Start).

seconds(Start) -> max(1, erlang:monotonic_time() - Start) / erlang:convert_time_unit(1, second, native).
