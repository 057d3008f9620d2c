// Types and examples: pixedge.d.ts
const wrong=(what,it)=>{throw TypeError(`pixedge: wrong ${what}: ${it}`)}
const escape=s=>encodeURIComponent(s).replace(/[!'()*]/g,c=>'%2'+'1789A'["!'()*".indexOf(c)])
const text=spec=>spec.big?spec:Object.entries(spec).flatMap(([k,v])=>v==null?[]:k+'_'+escape(v)).join()
const round=n=>n&&Math.round(n)
const sized=(spec,size)=>{
const n=parseFloat(size)
if(!(n>0))wrong('size',size)
return/{}/.test(spec)?spec.replace(/{}/g,n):/\//.test(spec)?wrong('spec',spec)
:(n==size?'w_':'dpr_')+n+(/^_?$/.test(spec)?'':','+spec)
}
export default function pixedge(base,source){
const url=(src,spec='')=>{
spec=text(spec)
if(spec&&/(^|[,/])([,/]|$)/.test(spec))wrong('spec',spec)
spec=spec.replace(/%(?![\da-f]{2})|[^\w.~%,/:=+!*()@;$&-]+/gi,escape)
const at=base.replace(/\/+$/,'')
if(!source)return/^[\w-]{1,64}$/.test(src)?at+'/i/'+src+(spec&&'/'+spec):wrong('id',src)
const path=/^https?:\/\/[!-~]+$/.test(src)
?'~'+btoa(src).replace(/[+/=]/g,c=>({'+':'-','/':'_'})[c]||'')
:src.replace(/^\//,'').split('/').map(s=>/^\.?\.?$/.test(s)?wrong('path',src):escape(s)).join('/')
const end=/^[^/]*\.(jpe?g|png|webp|gif|avif|tiff|bmp)(\/|$)/i.test(path)?'':'-/'
return`${at}/r/${source}/${spec||'_'}/${end+path}`
}
const srcset=(src,spec='',sizes=[320,640,960,1280,1920],more='')=>
sizes.map(size=>url(src,sized(text(spec),size)+more)+' '+size+(size>0?'w':'')).join(', ')
return{
url,srcset,
picture:(src,spec,sizes,formats=['avif','webp'])=>({
sources:formats.map(f=>({type:'image/'+f,srcset:srcset(src,spec,sizes,',f_'+f)})),
img:{src:srcset(src,spec,sizes).split(' ').at(-2),srcset:srcset(src,spec,sizes)}}),
nextLoader:({src,width:w,quality:q})=>url(src,{w,q}),
unpicTransformer:(src,{width:w,height:h,quality:q,format:f,...o})=>
url(src,w&&h?{s:round(w)+'x'+round(h),q,f,...o}:{w:round(w),h:round(h),q,f,...o})
}
}
export const{url,srcset,picture,nextLoader,unpicTransformer}=pixedge((import.meta.url.match(/^http.*(?=\/assets\/)/)||[''])[0])
