import json, urllib.request, urllib.parse, sys, time
B=sys.argv[1] + "/_matrix/client/v3"
def call(m,p,body=None,tok=None,ok=True):
    r=urllib.request.Request(B+p,method=m,data=None if body is None else json.dumps(body).encode())
    if tok: r.add_header("Authorization","Bearer "+tok)
    r.add_header("Content-Type","application/json")
    try: return json.load(urllib.request.urlopen(r))
    except urllib.error.HTTPError as e:
        t=e.read()
        if ok: print("FAIL",m,p,t); raise
        return json.loads(t)
q=lambda s: urllib.parse.quote(s,safe="")
U={}
for n in ("alice","bob","carol","dave"):
    r=call("POST","/register",{"username":n,"password":"pw","auth":{"type":"m.login.dummy"},"device_id":"DEV"+n.upper()})
    U[n]=(r["user_id"],r["access_token"])
A,Bo,C,D=[U[n][1] for n in ("alice","bob","carol","dave")]
i=0
def send(tok,room,t,c):
    global i; i+=1
    return call("PUT",f"/rooms/{q(room)}/send/{q(t)}/txn{i}",c,tok)["event_id"]
def state(tok,room,t,c,k=""):
    return call("PUT",f"/rooms/{q(room)}/state/{q(t)}/{q(k)}",c,tok)["event_id"]
def mem(tok,room,act,user=None,**kw):
    b=dict(kw)
    if user: b["user_id"]=user
    return call("POST",f"/rooms/{q(room)}/{act}",b,tok)
def redact(tok,room,ev,reason=None):
    global i; i+=1
    return call("PUT",f"/rooms/{q(room)}/redact/{q(ev)}/txn{i}",{"reason":reason} if reason else {},tok)["event_id"]
ids=lambda n:U[n][0]
for v in ("12","11","6","3","1"):
    r=call("POST","/createRoom",{"preset":"public_chat","room_version":v,"name":"Room "+v,"topic":"Talk","room_alias_name":"r"+v,"invite":[ids("dave")]},A)["room_id"]
    mem(Bo,r,"join"); mem(C,r,"join")
    m=send(A,r,"m.room.message",{"msgtype":"m.text","body":"hello world bob"})
    m2=send(Bo,r,"m.room.message",{"msgtype":"m.text","body":"hi","url":"mxc://x/y"})
    rx=send(C,r,"m.reaction",{"m.relates_to":{"rel_type":"m.annotation","event_id":m,"key":"👍"}})
    ed=send(A,r,"m.room.message",{"msgtype":"m.text","body":"* edited","m.new_content":{"msgtype":"m.text","body":"edited"},"m.relates_to":{"rel_type":"m.replace","event_id":m}})
    t1=send(Bo,r,"m.room.message",{"msgtype":"m.text","body":"in thread","m.relates_to":{"rel_type":"m.thread","event_id":m2}})
    t2=send(C,r,"m.room.message",{"msgtype":"m.text","body":"in thread again","m.relates_to":{"rel_type":"m.thread","event_id":m2}})
    re=send(C,r,"m.room.message",{"msgtype":"m.text","body":"ref","m.relates_to":{"rel_type":"m.reference","event_id":m2}})
    redact(C,r,t2,"gone"); redact(A,r,rx); redact(A,r,m2)
    redact(A,r,re)
    redact(Bo,r,t1)
    state(A,r,"m.room.topic",{"topic":"Other topic"})
    state(A,r,"m.room.name",{"name":"New name "+v})
    state(A,r,"org.example.x",{"a":1},"key")
    state(A,r,"m.room.power_levels",{"users":({ids("bob"):50} if v=="12" else {ids("alice"):100,ids("bob"):50}),"events":{},"state_default":50,"users_default":0,"events_default":0,"invite":0,"kick":50,"ban":50,"redact":50})
    mem(A,r,"kick",ids("carol"),reason="out")
    mem(C,r,"join")
    mem(Bo,r,"ban",ids("carol"))
    send(A,r,"m.room.encrypted",{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"x"})
    mem(A,r,"unban",ids("carol"))
    mem(D,r,"leave")
    send(A,r,"m.room.message",{"msgtype":"m.notice","body":"nul \u0000 here"})
    state(A,r,"m.room.encryption",{"algorithm":"m.megolm.v1.aes-sha2"})
    call("PUT",f"/profile/{q(ids('bob'))}/displayname",{"displayname":"Bobby "+v},Bo)
    time.sleep(0.3)
    state(A,r,"m.room.tombstone",{"body":"moved","replacement_room":"!new:test.local"})
    state(A,r,"m.room.retention",{"max_lifetime":1000000})
    if v in ("11","6"):
        mem(Bo,r,"leave"); mem(A,r,"leave")
r=call("POST","/createRoom",{"preset":"private_chat","room_version":"10","invite":[ids("bob")],"is_direct":True,"initial_state":[{"type":"m.room.encryption","state_key":"","content":{"algorithm":"m.megolm.v1.aes-sha2"}}],"creation_content":{"type":"m.space"}},A)["room_id"]
mem(Bo,r,"join")
send(Bo,r,"m.room.message",{"msgtype":"m.text","body":"one to one"})
state(A,r,"m.room.join_rules",{"join_rule":"knock"})
call("POST",f"/knock/{q(r)}",{},C)
mem(A,r,"invite",ids("carol"))
mem(C,r,"join")
for n in range(8): state(A,r,"m.room.topic",{"topic":"t%d"%n})
mem(Bo,r,"leave"); mem(C,r,"leave"); mem(A,r,"leave")
print("ok")
