// The wall's entry: one class, many students.

import { mount } from 'svelte';
import Class from './pages/Class.svelte';
import './styles/base.css';

const target = document.getElementById('page');
if (!target) throw new Error('class.html has no element with the id “page”');
target.replaceChildren(); // what stood there while this script was on its way
mount(Class, { target });
